"""The questions that people ask, one .sql file each; `catalogue` reads them."""
