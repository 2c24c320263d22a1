"""What calls cost: rate cards from the price list and the user's file, and the multiplication."""
