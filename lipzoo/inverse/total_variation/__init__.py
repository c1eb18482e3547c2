"""Total variation: the classical reconstruction that keeps edges, its objective and its iteration."""
