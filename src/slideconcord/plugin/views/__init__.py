"""Ways to look at scans of one glass slide: one file each, one line in `table.VIEWS` each."""
