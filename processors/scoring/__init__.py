"""How good detection is: rules run over simulated traffic whose incidents are known, and are held to them."""
