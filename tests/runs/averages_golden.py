# SPDX-License-Identifier: Apache-2.0
"""Makes averages_golden.json: what torch.optim.swa_utils makes of the parameters and batch
statistics of the network of averages.py (f64): AveragedModel with its own functions for
EMA and SWA, update_bn. Needs torch:
python -P averages_golden.py > averages_golden.json"""
import json

import torch
from torch import nn
from torch.optim.swa_utils import (AveragedModel, get_ema_multi_avg_fn, get_swa_multi_avg_fn,
                                   update_bn)

ROWS, STEPS, RATE, MOMENTUM, FOLLOW = 24, 14, 0.2, 0.8, 0.3
NAMES = {"0.weight": "batch_norm1.scale", "0.bias": "batch_norm1.shift",
         "0.running_mean": "batch_norm1.mean", "0.running_var": "batch_norm1.variance",
         "1.weight": "dense2.weight", "1.bias": "dense2.bias"}


def warm(decay):
    """tf.train.ExponentialMovingAverage with num_updates."""
    def average(old, new, n):
        if not torch.is_floating_point(old):
            return new
        d = min(decay, (1 + float(n)) / (10 + float(n)))
        return d * old + (1 - d) * new
    return average


def network():
    torch.manual_seed(1)
    net = nn.Sequential(nn.BatchNorm1d(4, momentum=FOLLOW), nn.Linear(4, 3)).double()
    nn.init.zeros_(net[1].weight)
    nn.init.zeros_(net[1].bias)
    return net


def state(net):
    values = net.state_dict()
    return {ours: values[theirs].tolist() for theirs, ours in NAMES.items()}


CASES = {
    # hook, AveragedModel's arguments, first average, every, refreshed, batch, rate
    "ema": ("{type: ema, decay: 0.9}",
            dict(multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True),
            1, 1, False, ROWS, RATE),
    "ema, current": ("{type: ema, decay: 0.8, statistics: current, start: 2st, every: 2st}",
                     dict(multi_avg_fn=get_ema_multi_avg_fn(0.8)), 2, 2, False, ROWS, RATE),
    "ema, warm": ("{type: ema, decay: 0.5, warmup: true}",
                  dict(avg_fn=warm(0.5), use_buffers=True), 1, 1, False, ROWS, RATE),
    "swa": ("{type: swa, start: 6st, every: 2st}",
            dict(multi_avg_fn=get_swa_multi_avg_fn()), 6, 2, True, ROWS, RATE),
    # Parameters stay as they are: what is tried is the pass, of batches of 10, 10 and 4.
    "refresh": ("{type: swa, start: 1st, every: 1st}",
                dict(multi_avg_fn=get_swa_multi_avg_fn()), 1, 1, True, 10, 0.0),
}


def main():
    torch.manual_seed(7)
    x = (torch.randn(ROWS, 4) * 2 + 1).float()
    label = torch.randint(0, 3, (ROWS,))
    out = {"torch": torch.__version__, "x": x.tolist(), "label": label.tolist(),
           "steps": STEPS, "momentum": MOMENTUM, "follow": FOLLOW, "cases": {}}
    x = x.double()
    for name, (hook, how, start, every, refreshed, batch, rate) in CASES.items():
        net = network()
        average = AveragedModel(net, **how)
        optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=MOMENTUM)
        for step in range(1, STEPS + 1):
            net.train()
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(x), label)
            loss.backward()
            optimizer.step()
            if step >= start and (step - start) % every == 0:
                average.update_parameters(net)
        if refreshed:
            update_bn(torch.utils.data.DataLoader(x, batch_size=batch), average)
        average.eval()
        net.eval()
        out["cases"][name] = {
            "hook": hook, "batch": batch, "rate": rate,
            "updates": int(average.n_averaged), "average": state(average.module),
            "logits": average(x).tolist(),
            "loss": nn.functional.cross_entropy(average(x), label).item(),
            "raw_loss": nn.functional.cross_entropy(net(x), label).item()}
    print(json.dumps(out, indent=1))


main()
