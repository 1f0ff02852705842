"""From jobs to a plan: checked, grouped, written as text. Nothing is submitted."""
