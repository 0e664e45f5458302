"""The sections of the page, one a file. Each takes the subject and gives markup, empty where it has nothing to show."""
