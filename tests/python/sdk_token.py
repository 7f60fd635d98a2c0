"""The official SDK with a token in its environment. Arguments: the port, and whether to be let in."""

import sys

from stream_manager import (
    ConnectFailedException,
    MessageStreamDefinition,
    StrategyOnFull,
    StreamManagerClient,
    UnauthorizedException,
)


def stream(name):
    return MessageStreamDefinition(
        name=name, strategy_on_full=StrategyOnFull.OverwriteOldestData
    )


def main(port, expected):
    try:
        client = StreamManagerClient(host="127.0.0.1", port=port)
    except ConnectFailedException:
        assert expected == "refused"
        print("the SDK was refused")
        return
    assert expected == "admitted"
    with client:
        client.create_message_stream(stream("line-4"))
        assert client.append_message("line-4", b"message") == 0
        assert client.list_streams() == ["line-4"]
        for call in (
            lambda: client.create_message_stream(stream("other")),
            lambda: client.append_message("other", b"message"),
            lambda: client.read_messages("line-4"),
            lambda: client.delete_message_stream("line-4"),
        ):
            try:
                call()
            except UnauthorizedException as error:
                assert "line 4 program" in str(error), error
            else:
                raise AssertionError("UnauthorizedException was expected")
    print("the SDK did what it may and nothing else")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
