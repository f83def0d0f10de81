"""What training does for detectors alone: boxes assigned to cells, and losses."""
