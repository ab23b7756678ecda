"""The OpenCL backend of cotan. Importing it imports no driver."""
