"""Drives one agent on one issue: workspace, agent process, tests, take-over of the work, publishing."""
