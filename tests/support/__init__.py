"""What several test modules share: fakes, servers, random inputs and helpers."""
