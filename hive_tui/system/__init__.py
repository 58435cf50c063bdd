"""What hive asks of the operating system: folders, git, processes, locks. A leaf like the core, with I/O."""
