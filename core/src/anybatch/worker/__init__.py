"""What runs on the node, as text, and the records that it leaves."""
