"""The runtime: arrays, the devices they live on, and how operations and compiled programs run on them."""
