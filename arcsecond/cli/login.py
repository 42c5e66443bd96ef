"""`arcsecond login`: ask for what is missing, verify it with the server, then store it."""

from __future__ import annotations

import sys

import click

from arcsecond.cli import output
from arcsecond.cli.options import api_option, asked, verbose_option
from arcsecond.errors import InputError

TYPES = ("upload", "access")
STDIN = "-"


@click.command()
@click.option("-u", "--username", metavar="NAME", help="Username, or e-mail address.")
@click.option(
    "--upload_key", "--upload-key", metavar="KEY", help="Upload key; - reads it from stdin."
)
@click.option(
    "--access_key", "--access-key", metavar="KEY", help="Access key; - reads it from stdin."
)
@click.option("--type", "key_type", type=click.Choice(TYPES), help="The type of --key.")
@click.option("--key", metavar="KEY", help="The key; - reads it from stdin.")
@api_option
@verbose_option
def login(
    username: str | None,
    upload_key: str | None,
    access_key: str | None,
    key_type: str | None,
    key: str | None,
) -> None:
    """Verify a key with the server and store it.

    What is not given is asked for. An upload key may upload and read; an access key may do
    everything that the account may. Both can be stored: uploads use the upload key.
    """
    key_type, key = _which_key(key_type, key, upload_key=upload_key, access_key=access_key)
    config = asked().config()
    if key == STDIN and sys.stdin.isatty():
        key = None  # a person types it: asked for below, hidden
    elif key == STDIN:
        if username is None:
            raise click.UsageError("The key comes from stdin: give --username too.")
        key = sys.stdin.readline().strip()
        if not key:
            raise InputError(
                "there is no key on stdin",
                hint="Its first line is the key: arcsecond login -u NAME --upload_key - < FILE.",
            )
    elif key is not None:
        output.warning(
            "a key on the command line can be read by others on this machine, and stays"
            " in the shell's history; with - instead of the key it is read from stdin."
        )
    username = username or click.prompt("Username", err=True)
    if key_type is None:
        question = f"Type of key ({', '.join(TYPES)})"
        key_type = click.prompt(question, default=TYPES[0], value_proc=_type_meant, err=True)
    if key is None:
        key = click.prompt(f"{key_type.capitalize()} key", hide_input=True, err=True)

    from arcsecond.account import log_in
    from arcsecond.config import KeyType, check_key

    secret = check_key(key)
    output.hide(secret)
    done = log_in(
        config,
        username=username,
        key_type=KeyType(key_type),
        key=secret,
        trace=asked().trace(),
    )
    if not done.has_profile:
        output.warning(
            f"the server shows no profile of {done.username}; if that is an e-mail"
            " address, give your username instead, so that portals are found."
        )
    if done.clock_difference:
        output.warning(
            f"this computer's clock is {done.clock_difference} the server's; set it, or the"
            " server's certificate may look expired or not yet valid."
        )
    output.say(
        f"Logged in as {done.username} at {config.api_server}; the {key_type} key is stored."
    )


def _type_meant(answer: str) -> str:
    """Return the type; what is none may be the key itself, and is not repeated."""
    if (key_type := answer.strip().lower()) not in TYPES:
        raise click.UsageError(f"answer {' or '.join(TYPES)}; the key is asked for next.")
    return key_type


def _which_key(
    key_type: str | None, key: str | None, *, upload_key: str | None, access_key: str | None
) -> tuple[str | None, str | None]:
    """Return type and key, whichever way they were given."""
    given = {"upload": upload_key, "access": access_key}
    named = [name for name, value in given.items() if value is not None]
    if len(named) + (key is not None) > 1:
        raise click.UsageError("Give one key at a time.")
    if not named:
        return key_type, key
    if key_type not in (None, named[0]):
        raise click.UsageError(f"--type {key_type} does not go with --{named[0]}_key.")
    return named[0], given[named[0]]
