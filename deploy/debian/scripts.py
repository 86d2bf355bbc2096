"""The maintainer scripts: POSIX shell, the same for every product but for names."""

from __future__ import annotations

from string import Template

from deploy.debian.product import Product

# "$1" and the order of the steps are Debian Policy's, chapter 6; the calls of the service manager are those that
# debhelper's dh_installsystemd writes.
_POSTINST = Template("""\
#!/bin/sh
set -e

if [ "$$1" = configure ]; then
  if ! getent passwd $user >/dev/null; then
    adduser --system --group --quiet --no-create-home --home $state --gecos 'virtscope $program' $user
  fi
  for group in $groups; do
    if getent group "$$group" >/dev/null; then adduser --quiet $user "$$group"; fi
  done
  install -d -m 0700 -o $user -g $user $state
  update-alternatives --install /usr/bin/virtscope virtscope /usr/lib/$name/bin/virtscope $priority \\
    --slave /usr/share/man/man1/virtscope.1.gz virtscope.1.gz /usr/share/man/man1/$name.1.gz
fi

case "$$1" in
  configure | abort-upgrade | abort-deconfigure | abort-remove)
    deb-systemd-helper unmask $name.service >/dev/null || true
    if deb-systemd-helper --quiet was-enabled $name.service; then
      deb-systemd-helper enable $name.service >/dev/null || true
    else
      deb-systemd-helper update-state $name.service >/dev/null || true
    fi
    if [ -d /run/systemd/system ]; then
      systemctl --system daemon-reload >/dev/null || true
      if [ -n "$$2" ]; then action=restart; else action=start; fi
      deb-systemd-invoke $$action $name.service >/dev/null || true
    fi
    ;;
esac
""")

_PRERM = Template("""\
#!/bin/sh
set -e

if [ "$$1" = remove ]; then
  if [ -d /run/systemd/system ]; then deb-systemd-invoke stop $name.service >/dev/null || true; fi
  update-alternatives --remove virtscope /usr/lib/$name/bin/virtscope
fi
""")

_POSTRM = Template("""\
#!/bin/sh
set -e

if [ -d /run/systemd/system ]; then systemctl --system daemon-reload >/dev/null || true; fi
case "$$1" in
  remove)
    if [ -x /usr/bin/deb-systemd-helper ]; then deb-systemd-helper mask $name.service >/dev/null || true; fi
    ;;
  purge)
    if [ -x /usr/bin/deb-systemd-helper ]; then
      deb-systemd-helper purge $name.service >/dev/null || true
      deb-systemd-helper unmask $name.service >/dev/null || true
    fi
    rm -rf $state
    if getent passwd $user >/dev/null && command -v deluser >/dev/null; then deluser --system --quiet $user || true; fi
    ;;
esac
""")


def scripts(product: Product) -> dict[str, str]:
    """The scripts of a product, by name."""
    names = {
        "name": product.name,
        "program": product.program,
        "user": product.user,
        "state": product.state,
        "priority": str(product.priority),
        "groups": " ".join(product.groups) or "''",
    }
    written = {"postinst": _POSTINST, "prerm": _PRERM, "postrm": _POSTRM}
    return {name: text.substitute(names) for name, text in written.items()}
