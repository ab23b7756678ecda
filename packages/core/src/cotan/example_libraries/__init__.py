"""cotan.example_libraries: small libraries for examples, layers of networks (stax) and optimisers."""
