"""What software is inside an image: read out of its layers, written as CycloneDX documents."""
