"""Takes conntrack text, gives flow batches; everything that knows conntrack is here."""
