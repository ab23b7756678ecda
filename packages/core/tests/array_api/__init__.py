"""The Python array API standard as tables, and what cotan.numpy does by them."""
