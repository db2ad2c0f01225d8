"""What tests share: an endpoint, fakes, a terminal, a browser, stored runs."""
