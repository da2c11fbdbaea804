"""The application: the window and the terminal commands. The only place with Qt and with sentences for people."""
