"""Questions about profiles: what is asked, and columns of spans as flame graphs and series."""
