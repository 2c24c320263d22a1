"""Questions about what is stored: pure functions over rows, whoever reads them."""
