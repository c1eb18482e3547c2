"""What the guarantees cost, as ratios of times measured side by side in one run."""
