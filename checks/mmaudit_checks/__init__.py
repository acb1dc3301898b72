"""The packaged checks that ``pytest --mmaudit`` collects: thin functions over the catalogue of the core."""
