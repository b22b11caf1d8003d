"""A timm network trained by PyTorch on batches taken in order, round and round: what vit-run's `tensors:` data does."""
import torch


def train(network, parameters, images, labels, steps, batch, rate):
    """AdamW, decay 0.05 on everything. Returns the loss before each step."""
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.05, fused=True)
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    losses = []
    for step in range(steps):
        index = (torch.arange(batch) + step * batch) % len(y)
        loss = torch.nn.functional.cross_entropy(network(x[index]), y[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
