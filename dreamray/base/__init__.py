"""The ground floor: errors, messages and geometry, which need nothing else of dreamray."""
