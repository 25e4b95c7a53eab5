"""Chemistry. Needs rdkit in the plugin's environment, and says so when it is asked."""
