"""Takes manifest files, gives typed Kubernetes objects with the place each came from."""
