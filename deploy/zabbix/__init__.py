"""A template for Zabbix, written out of the catalogue."""
