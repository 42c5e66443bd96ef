"""A group of commands that names the nearest one when it has none of that name."""

from __future__ import annotations

import click


class Group(click.Group):
    """As click's; a command that is misspelt is answered with those that it may have been."""

    def resolve_command(
        self, context: click.Context, words: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first word names, and the other words."""
        name = words[0]
        if not name.startswith("-") and self.get_command(context, name) is None:
            from difflib import get_close_matches

            near = get_close_matches(name, self.list_commands(context), cutoff=0.7)
            meant = f" Did you mean {' or '.join(near)}?" if near else ""
            context.fail(f"No such command {name!r}.{meant}")
        return super().resolve_command(context, words)
