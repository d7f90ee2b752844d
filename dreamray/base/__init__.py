"""The ground floor: errors, messages, bounded parsing and geometry: nothing else of dreamray."""
