"""The plain networks. To add one, write a file here and a row in `table.BACKBONES`."""
