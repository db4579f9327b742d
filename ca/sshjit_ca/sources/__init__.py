"""What the CA is told by others about access: checkers of tickets, and rotas. Nothing here waits within a batch."""
