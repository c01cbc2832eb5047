"""Loads exports as a user would and holds their outputs against those written by Variform. Arguments: NAME of NAME.pt,
NAME.py, NAME.h5. Exit code 77: cannot run here."""
import importlib.util
import sys

try:
    import h5py
    import torch
except ImportError as error:
    print(error)
    sys.exit(77)


def largest_difference(output, expected):
    assert output.shape == expected.shape, (output.shape, expected.shape)
    assert output.dtype == expected.dtype, (output.dtype, expected.dtype)
    return ((output - expected).abs().max() / expected.abs().max()).item()


for name in sys.argv[1:]:
    specification = importlib.util.spec_from_file_location("exported", name + ".py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    with h5py.File(name + ".h5") as file:
        values = {key: torch.from_numpy(file[key][()]) for key in file}
    encoder, decoder = module.load()
    tolerance = 1e-5 if values["x"].dtype == torch.float32 else 1e-12
    with torch.no_grad():
        for output, key in ((encoder(values["x"]), "encoded"), (decoder(values["z"]), "decoded")):
            difference = largest_difference(output, values[key])
            assert difference <= tolerance, (name, key, difference)

    # The classes and the weights by themselves.
    state = torch.load(name + ".pt", weights_only=True)
    assert "config" in state.metadata
    own = {key.removeprefix("decoder."): value for key, value in state.items() if key.startswith("decoder.")}
    module.Decoder().load_state_dict(own)
