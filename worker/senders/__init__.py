"""What leaves for people: notices become e-mails, in their reader's language."""
