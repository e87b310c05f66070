"""What is measured: each module is a command that writes its result, with hardware, date, versions and n."""
