"""The modules `builtin:stdlib` is made from.

A fixed list: pure library modules whose import opens no window, no browser and no file, and prints nothing.
Left out on purpose: `antigravity`, `this`, `idlelib`, `tkinter`, `turtle`, deprecated modules, and tests.
A module that the running Python lacks is passed over.
"""

MODULES = tuple(
    """
    abc argparse array ast base64 bdb binascii bisect bz2 calendar cmath cmd code codecs codeop collections colorsys
    compileall concurrent.futures configparser contextlib contextvars copy copyreg csv dataclasses datetime decimal
    difflib dis doctest email email.charset email.encoders email.header email.headerregistry email.message
    email.mime.text email.policy email.utils enum fileinput filecmp fnmatch fractions ftplib functools gc getopt
    gettext glob graphlib gzip hashlib heapq hmac html html.parser http http.client http.cookiejar http.cookies
    http.server imaplib importlib importlib.metadata importlib.resources importlib.util inspect io ipaddress itertools
    json json.decoder json.encoder linecache locale logging logging.config logging.handlers lzma mailbox math mimetypes
    mmap modulefinder multiprocessing.managers multiprocessing.pool netrc numbers operator optparse os os.path pathlib
    pdb pickle pickletools pkgutil platform plistlib poplib pprint profile pstats py_compile pyclbr pydoc queue quopri
    random re reprlib runpy sched secrets select selectors shelve shlex shutil signal smtplib socket socketserver
    sqlite3 ssl stat statistics string stringprep struct subprocess symtable sysconfig tabnanny tarfile tempfile
    textwrap threading time timeit tokenize tomllib trace traceback tracemalloc types typing unicodedata unittest
    unittest.case unittest.mock unittest.suite urllib.error urllib.parse urllib.request urllib.robotparser uuid
    warnings wave weakref wsgiref.handlers wsgiref.headers wsgiref.util wsgiref.validate xml.dom.minidom
    xml.etree.ElementTree xml.sax xml.sax.handler xml.sax.saxutils xmlrpc.client xmlrpc.server zipapp zipfile zlib
    zoneinfo builtins
    """.split()  # noqa: SIM905 - a block of words reads better than 170 quoted strings
)

HOMES = {"os": ("posix", "nt"), "os.path": ("posixpath", "ntpath", "genericpath")}
"""Where the objects of a module say they come from, when that is neither the module nor its accelerator `_module`."""

REPLACED = frozenset({"inspect.getfile"})
"""Functions that torch replaces when it is imported: left out, so that the rows do not depend on what is loaded."""
