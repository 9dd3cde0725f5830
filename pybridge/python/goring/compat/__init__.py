"""Classes with the interfaces of other libraries, over goring's rings."""
