"""What people and programs see: terminal and JSON presenters."""
