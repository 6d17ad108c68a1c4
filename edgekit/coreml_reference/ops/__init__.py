"""The operations of Core ML's ML Programs, one file a family, as coremltools' definitions lay them out."""
