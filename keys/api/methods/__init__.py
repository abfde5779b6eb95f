"""What clients can call, by service: each method asks the policies, and the reads and writes of pages."""
