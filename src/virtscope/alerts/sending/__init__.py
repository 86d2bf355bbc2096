"""The process that sends what somebody is told. It is started for each message: see ``alerts/receiver.py``."""
