"""config.ini: servers and keys, kept from others' eyes and never half written."""

from __future__ import annotations

import copy
import pickle
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from arcsecond import config
from arcsecond.config import ArcsecondConfig, KeyType, Secret, config_file
from arcsecond.errors import ArcsecondError, ConfigError, InputError

PUBLISHED = """\
[cloud]
api_server = https://api.arcsecond.io
username = ludwig
upload_key = up-load
access_key = ac-cess

[local]
api_server = http://localhost:8000
"""


def write(text: str) -> Path:
    path = config_file()
    path.parent.mkdir(mode=0o700, parents=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_without_a_file_there_is_the_cloud_and_no_key() -> None:
    cloud = ArcsecondConfig()

    assert (cloud.api_name, cloud.api_server) == ("cloud", "https://api.arcsecond.io")
    assert (cloud.username, cloud.upload_key, cloud.access_key) == (None, None, None)
    assert cloud.key_for(uploads=True) is None
    assert not config_file().parent.exists()


def test_the_published_clients_file_is_read() -> None:
    write(PUBLISHED)

    assert ArcsecondConfig().username == "ludwig"
    assert ArcsecondConfig().upload_key == Secret("up-load")
    assert ArcsecondConfig("local").api_server == "http://localhost:8000"
    assert [(api.name, api.chosen) for api in config.list_apis()] == [
        ("cloud", True),
        ("local", False),
    ]


def test_uploads_use_the_key_that_may_do_least() -> None:
    write(PUBLISHED)

    assert ArcsecondConfig().key_for(uploads=True) == Secret("up-load")
    assert ArcsecondConfig().key_for(uploads=False) == Secret("ac-cess")


def test_one_key_serves_for_everything_when_it_is_the_only_one() -> None:
    config.store_key("cloud", username="ludwig", key_type=KeyType.UPLOAD, key=Secret("u"))

    assert ArcsecondConfig().key_for(uploads=False) == Secret("u")


def test_what_is_not_known_here_stays_in_the_file() -> None:
    path = write(
        PUBLISHED + "Favourite = 100%\n\n[DEFAULT]\nusername = nobody\n\n[Plugins]\nA = b\n"
    )

    config.add_api("dome", "http://127.0.0.1:9000")

    text = path.read_text()
    assert "Favourite = 100%" in text
    assert "[Plugins]\nA = b" in text
    assert ArcsecondConfig("local").username is None


def test_file_and_folder_are_for_their_owner_alone() -> None:
    config.add_api("dome", "http://127.0.0.1:9000")

    assert stat.S_IMODE(config_file().stat().st_mode) == 0o600
    assert stat.S_IMODE(config_file().parent.stat().st_mode) == 0o700
    assert [path.name for path in config_file().parent.iterdir()] == ["config.ini"]


def test_wrong_modes_are_mended_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    path = write(PUBLISHED)
    path.chmod(0o644)
    path.parent.chmod(0o755)

    config.use_api("local")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "up-load" not in caplog.text


def test_wrong_modes_are_mended_before_a_command_reads(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config.mend_modes()
    assert not config_file().parent.exists()

    path = write(PUBLISHED)
    path.chmod(0o640)
    config.mend_modes()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "was open to others (mode 640)" in caplog.text


def test_a_folder_that_others_use_too_is_left_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "shared"
    (folder / "of others").mkdir(parents=True)
    folder.chmod(0o755)
    monkeypatch.setenv("ARCSECOND_CONFIG_DIR", str(folder))

    config.add_api("dome", "http://127.0.0.1:9000")
    config_file().chmod(0o644)
    config.mend_modes()

    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert stat.S_IMODE(config_file().stat().st_mode) == 0o600


def test_the_usual_folder_is_closed_whatever_published_clients_keep_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ARCSECOND_CONFIG_DIR")
    folder = write(PUBLISHED).parent
    (folder / "webcams.json").touch()
    folder.chmod(0o755)

    config.mend_modes()

    assert folder == Path.home() / ".config" / "arcsecond"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_is_no_folder_keeps_its_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "passwd"
    file.touch(mode=0o644)
    monkeypatch.setenv("ARCSECOND_CONFIG_DIR", str(file))

    config.mend_modes()

    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    with pytest.raises(ConfigError, match="cannot be read: Not a directory"):
        ArcsecondConfig()


def test_a_link_to_a_file_elsewhere_stays_one(tmp_path: Path) -> None:
    path = write("")
    path.unlink()
    (tmp_path / "dotfiles").mkdir()
    elsewhere = tmp_path / "dotfiles" / "arcsecond.ini"
    elsewhere.write_text(PUBLISHED)
    path.symlink_to(elsewhere)

    config.use_api("local")

    assert path.is_symlink()
    assert elsewhere.read_text().endswith("[cli]\napi = local\n")


def test_a_file_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    path = write("")
    path.unlink()
    path.symlink_to(tmp_path / "no such folder" / "arcsecond.ini")

    with pytest.raises(ConfigError, match="cannot be written: No such file"):
        config.use_api("cloud")


def test_a_file_that_cannot_be_read_is_said_so() -> None:
    config_file().mkdir(parents=True)

    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        ArcsecondConfig()


def test_a_reader_never_sees_half_a_file() -> None:
    write(PUBLISHED)
    stop = threading.Event()
    seen: set[str | None] = set()

    def read() -> None:
        while not stop.is_set():
            seen.add(ArcsecondConfig().username)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(50):
        config.add_api(f"dome-{number}", "http://127.0.0.1:9000")
    stop.set()
    reader.join()

    assert seen == {"ludwig"}


def test_two_keys_of_one_user_are_kept_side_by_side() -> None:
    config.store_key("cloud", username="ludwig", key_type=KeyType.UPLOAD, key=Secret("u"))
    config.store_key("cloud", username="ludwig", key_type=KeyType.ACCESS, key=Secret("a"))

    stored = ArcsecondConfig()
    assert (stored.upload_key, stored.access_key) == (Secret("u"), Secret("a"))


def test_another_users_login_drops_both_keys() -> None:
    write(PUBLISHED)

    config.store_key("cloud", username="visitor", key_type=KeyType.UPLOAD, key=Secret("v"))

    stored = ArcsecondConfig()
    assert (stored.username, stored.upload_key, stored.access_key) == ("visitor", Secret("v"), None)


def test_logging_out_forgets_the_keys_and_keeps_the_server() -> None:
    config.add_api("dome", "http://127.0.0.1:9000")
    config.store_key("dome", username="ludwig", key_type=KeyType.UPLOAD, key=Secret("u"))

    assert config.drop_keys("dome")
    assert not config.drop_keys("dome")
    assert ArcsecondConfig("dome").upload_key is None


def test_another_address_drops_the_keys_that_were_given_to_the_old_one() -> None:
    config.add_api("dome", "http://127.0.0.1:9000")
    config.store_key("dome", username="ludwig", key_type=KeyType.UPLOAD, key=Secret("u"))

    config.add_api("dome", "http://127.0.0.1:9000/")
    assert ArcsecondConfig("dome").upload_key == Secret("u")

    config.add_api("dome", "http://127.0.0.1:9001")
    assert ArcsecondConfig("dome").upload_key is None


def test_the_environment_chooses_and_the_argument_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    write(PUBLISHED)
    monkeypatch.setenv("ARCSECOND_API", "local")

    assert ArcsecondConfig().api_name == "local"
    assert ArcsecondConfig("cloud").api_name == "cloud"

    monkeypatch.setenv("ARCSECOND_API", "nowhere")
    with pytest.raises(ConfigError, match="'nowhere' \\(named by ARCSECOND_API\\)"):
        ArcsecondConfig()


def test_one_server_is_chosen_at_a_time() -> None:
    config.add_api("a", "http://127.0.0.1:1")
    config.add_api("b", "http://127.0.0.1:2")

    config.use_api("a")
    config.use_api("b")
    assert ArcsecondConfig().api_name == "b"

    config.remove_api("b")
    assert ArcsecondConfig().api_name == "cloud"


def test_the_cloud_stays_what_it_is() -> None:
    path = write(PUBLISHED.replace("https://api.arcsecond.io", "https://elsewhere.example.org"))

    assert ArcsecondConfig().api_server == "https://api.arcsecond.io"
    for change in (
        lambda: config.add_api("cloud", "https://b.org"),
        lambda: config.remove_api("cloud"),
    ):
        with pytest.raises(InputError):
            change()
    assert "elsewhere" in path.read_text()


OF_OLDER_CLIENTS = """\
[main]
username = ludwig
upload_key = up-load
api_key = ac-cess
membership__dome = admin
shared:dome = sha-red

[main:organisations]
dome = admin
"""


def test_the_cloud_of_older_clients_is_the_cloud() -> None:
    write(OF_OLDER_CLIENTS)

    assert ArcsecondConfig().username == "ludwig"
    assert ArcsecondConfig().upload_key == Secret("up-load")
    assert ArcsecondConfig().access_key == Secret("ac-cess")


def test_a_main_of_another_address_is_not_the_cloud() -> None:
    path = write(OF_OLDER_CLIENTS + "[main]\napi_server = https://main.example.org\n")

    assert ArcsecondConfig().username is None
    assert ArcsecondConfig("main").access_key == Secret("ac-cess")
    assert not config.drop_keys("cloud")
    assert "ac-cess" in path.read_text()


def test_a_new_login_keeps_the_other_key_of_an_older_client() -> None:
    path = write(OF_OLDER_CLIENTS)

    config.store_key("cloud", username="ludwig", key_type=KeyType.UPLOAD, key=Secret("new"))

    assert ArcsecondConfig().upload_key == Secret("new")
    assert ArcsecondConfig().access_key == Secret("ac-cess")
    assert path.read_text().startswith(OF_OLDER_CLIENTS)


def test_a_login_of_another_user_leaves_nothing_of_the_one_before() -> None:
    write(OF_OLDER_CLIENTS.replace("[main]", "[cloud]"))

    config.store_key("cloud", username="clara", key_type=KeyType.UPLOAD, key=Secret("new"))

    assert ArcsecondConfig().access_key is None
    assert "sha-red" not in config_file().read_text()


def test_logging_out_leaves_no_key_of_an_older_client() -> None:
    path = write(OF_OLDER_CLIENTS)

    assert config.drop_keys("cloud")
    assert ArcsecondConfig().key_for(uploads=True) is None
    assert path.read_text().strip() == "[main]\n\n[main:organisations]\ndome = admin"
    assert not config.drop_keys("cloud")


def test_the_choice_is_the_one_that_published_clients_make() -> None:
    path = write(PUBLISHED + "\n[cli]\napi = local\nother = kept\n")

    assert ArcsecondConfig().api_name == "local"
    config.use_api("cloud")
    assert ArcsecondConfig().api_name == "cloud"
    assert path.read_text().endswith("[cli]\napi = cloud\nother = kept\n")
    config.use_api("local")
    config.remove_api("local")
    assert path.read_text().endswith("[cli]\nother = kept\n")


@pytest.mark.parametrize("name", ["", "a b", "-a", "ü", "a]", "x" * 65, "a\nb"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        config.add_api(name, "https://b.org")


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://Dome.Example.org/", "https://dome.example.org"),
        ("HTTP://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000/api/", "http://[::1]:8000/api"),
        ("http://127.7.7.7", "http://127.7.7.7"),
    ],
)
def test_an_address_is_kept_in_one_form(url: str, kept: str) -> None:
    assert config.check_url(url) == kept


@pytest.mark.parametrize(
    "url",
    [
        "dome.example.org",
        "ftp://dome.example.org",
        "https://",
        "https://user@dome.example.org",
        "https://user:word@dome.example.org",
        "https://dome.example.org/?a=b",
        "https://dome.example.org/#a",
        "https://dome.example.org?",
        "http://dome.example.org",
        "http://localhost.example.org",
        "http://127.0.0.1.example.org",
        "https://dome.example.org:99999",
        "https://dome.example.org:0",
        "https://dome\\example.org",
        "https://do me.example.org",
        "https://a..example.org",
        "https://[::1",
    ],
)
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(InputError) as caught:
        config.add_api("dome", url)

    assert "word" not in str(caught.value)
    assert not config_file().exists()


def test_plain_http_is_taken_where_it_is_allowed() -> None:
    config.add_api("dome", "http://dome.example.org", allow_http=True)

    assert ArcsecondConfig("dome").api_server == "http://dome.example.org"
    assert ArcsecondConfig("dome").allow_http


def test_plain_http_written_by_hand_is_refused_where_it_is_used() -> None:
    write("[dome]\napi_server = http://dome.example.org\n")

    with pytest.raises(ConfigError, match="in clear"):
        ArcsecondConfig("dome")
    assert config.list_apis()[1].url == "http://dome.example.org"


@pytest.mark.parametrize(
    "content",
    [
        b"the-key-itself\n",
        b"[cloud]\nthe-key-itself\n",
        b"[cloud\nupload_key=the-key-itself\n",
        b"\xff",
    ],
)
def test_a_file_that_is_none_is_refused_without_its_content(content: bytes) -> None:
    write("").write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        ArcsecondConfig()

    assert "the-key-itself" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_stored_key_that_is_none_is_refused_without_being_shown() -> None:
    write("[cloud]\nupload_key = two words\n")

    with pytest.raises(ConfigError, match="upload_key is no key") as caught:
        _ = ArcsecondConfig().upload_key
    assert "two words" not in str(caught.value)


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret("hidden-word")

    shown = f"{secret} {secret!r} {[secret]} {vars(ArcsecondConfig())}"
    assert "hidden-word" not in shown
    assert secret.reveal() == "hidden-word"
    assert secret == Secret("hidden-word") != Secret("other")
    assert hash(secret) == hash(Secret("hidden-word"))
    assert secret != "hidden-word"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        copy.deepcopy(secret)


def test_neither_repr_nor_errors_of_a_config_show_a_key() -> None:
    write(PUBLISHED)
    stored = ArcsecondConfig()

    assert "up-load" not in f"{stored!r} {stored} {vars(stored)}"


def test_what_is_unknown_is_named() -> None:
    for ask in (
        lambda: config.use_api("nowhere"),
        lambda: config.remove_api("nowhere"),
        lambda: config.drop_keys("nowhere"),
    ):
        with pytest.raises(ArcsecondError, match="'nowhere'"):
            ask()


# --- files of the published clients -------------------------------------------------------------

RELEASE_3_2 = """\
[main]
username = ludwig
access_key = ac-cess
membership__rehearsal = admin

[dome]
api_server = http://127.0.0.1:8765
upload_key = up-load
username = stargazer

"""
"""As the early releases of 3 write it: the cloud is `main`, and it has no address."""

RELEASE_4_5 = """\
[cli]
api = dome
local_install_dir = /srv/arcsecond

[cloud]
username = ludwig
upload_key = up-load
secret_key = for-the-container

[dome]
api_server = https://dome.example.org/
username = stargazer
access_key = ac-cess

"""


def test_the_cloud_of_early_releases_needs_no_new_login() -> None:
    write(RELEASE_3_2)

    assert ArcsecondConfig().username == "ludwig"
    assert ArcsecondConfig().access_key == Secret("ac-cess")
    assert ArcsecondConfig("dome").upload_key == Secret("up-load")
    assert [api.name for api in config.list_apis()] == ["cloud", "dome"]


def test_an_access_key_under_its_earlier_name_is_read_and_replaced() -> None:
    path = write("[cloud]\nusername = ludwig\napi_key = old\n")
    assert ArcsecondConfig().access_key == Secret("old")

    config.store_key("cloud", username="ludwig", key_type=KeyType.ACCESS, key=Secret("new"))

    assert ArcsecondConfig().access_key == Secret("new")
    assert "old" not in path.read_text()


def test_the_server_that_a_published_client_chose_stays_chosen() -> None:
    path = write(RELEASE_4_5)

    assert ArcsecondConfig().api_name == "dome"
    assert ArcsecondConfig().access_key == Secret("ac-cess")
    assert [(api.name, api.chosen) for api in config.list_apis()] == [
        ("cloud", False),
        ("dome", True),
    ]

    config.use_api("cloud")
    assert path.read_text() == RELEASE_4_5.replace("api = dome", "api = cloud")


def test_an_address_that_a_published_client_wrote_is_the_same_without_its_slash() -> None:
    write(RELEASE_4_5)

    config.add_api("dome", "https://dome.example.org/")

    assert ArcsecondConfig("dome").access_key == Secret("ac-cess")


def test_a_chosen_server_that_is_gone_is_named_and_another_can_be_chosen() -> None:
    write(RELEASE_4_5.replace("api = dome", "api = roof"))

    with pytest.raises(ConfigError, match=r"'roof' \(named by \[cli\] in ") as caught:
        ArcsecondConfig()
    assert "arcsecond api use NAME" in str(caught.value.hint)

    config.use_api("dome")
    assert ArcsecondConfig().api_name == "dome"


@pytest.mark.parametrize("name", ["cli", "DEFAULT"])
def test_a_section_of_the_published_clients_is_no_server(name: str) -> None:
    with pytest.raises(InputError):
        config.add_api(name, "https://dome.example.org")


def test_comments_stay_where_they_are() -> None:
    text = "# of the dome\n[dome]\napi_server = http://127.0.0.1:1  \n; my own\nusername = u\n"
    path = write(text)

    config.store_key("dome", username="u", key_type=KeyType.UPLOAD, key=Secret("k"))

    assert path.read_text() == f"{text}upload_key = k\n"


def test_what_changes_nothing_writes_nothing() -> None:
    path = write(RELEASE_4_5)
    before = path.stat()

    config.use_api("dome")
    assert config.drop_keys("dome")
    after = path.stat()
    assert not config.drop_keys("dome")

    assert after.st_ino != before.st_ino
    assert path.stat().st_ino == after.st_ino


def test_what_a_killed_process_left_is_removed_by_the_next_save() -> None:
    """A process is killed amid its save, when the key is in a file beside config.ini."""
    path = write(RELEASE_4_5)
    code = (
        "import os, signal, arcsecond.private_file as p\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from arcsecond.config import *\n"
        "store_key('cloud', username='u', key_type=KeyType.UPLOAD, key=Secret('left-over'))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    (left,) = [p for p in path.parent.iterdir() if p != path]
    assert "left-over" in left.read_text()

    config.use_api("cloud")

    assert [p.name for p in path.parent.iterdir()] == ["config.ini"]


def test_two_processes_that_save_at_once_undo_nothing() -> None:
    write(RELEASE_4_5)
    code = (
        "import sys; from arcsecond.config import add_api\n"
        "for n in range(20): add_api(f'{sys.argv[1]}{n}', 'http://127.0.0.1:1')\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, name]) for name in ("a", "b")]

    assert [process.wait() for process in both] == [0, 0]
    assert len(config.list_apis()) == 2 + 2 * 20


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"upload_key = k\n", 1),
        (b"[cloud]\n\nthe words\n", 3),
        (b"[cloud]\n# \xe9\n", 2),
        (bytes(400), 1),
    ],
)
def test_a_damaged_file_is_named_with_its_line(content: bytes, line: int) -> None:
    path = write("")
    path.write_bytes(content)

    for ask in (ArcsecondConfig, lambda: config.use_api("cloud")):
        with pytest.raises(ConfigError) as caught:
            ask()
        assert str(caught.value).startswith(f"{path}, line {line}: ")
        assert caught.value.hint
    assert path.read_bytes() == content


def test_plain_http_that_a_published_client_took_says_how_to_keep_it() -> None:
    write("[dome]\napi_server = http://192.168.1.5:8000\nusername = u\nupload_key = k\n")

    with pytest.raises(ConfigError) as caught:
        ArcsecondConfig("dome")
    assert "arcsecond api dome http://192.168.1.5:8000 --allow-http" in str(caught.value.hint)

    config.add_api("dome", "http://192.168.1.5:8000", allow_http=True)
    assert ArcsecondConfig("dome").upload_key == Secret("k")
