"""Install what the store holds, watch its health, commit or go back."""
