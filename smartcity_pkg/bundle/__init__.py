"""A release and its images as one signed OCI image layout: packing, signing, verifying, reading."""
