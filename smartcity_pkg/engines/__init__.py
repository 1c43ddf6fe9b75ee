"""What runs the apps on a server: Docker Compose."""
