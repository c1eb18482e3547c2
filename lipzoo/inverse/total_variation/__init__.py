"""Total variation: the reconstruction that keeps edges, its objective and its iteration."""
