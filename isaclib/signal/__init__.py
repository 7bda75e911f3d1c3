"""What is sent, and by which array: noise, arrays, sectors, symbols, subcarriers and beams."""
