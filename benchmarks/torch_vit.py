"""The same Vision Transformer in torch, with its scaled_dot_product_attention; what AOTInductor and OpenVINO compile."""
import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(dim, 3 * dim), "proj": nn.Linear(dim, dim)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(dim, 4 * dim), "fc2": nn.Linear(4 * dim, dim)})

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.attn["qkv"](self.norm1(x)).reshape(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        x = x + self.attn["proj"](functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, d))
        return x + self.mlp["fc2"](functional.gelu(self.mlp["fc1"](self.norm2(x))))


class VisionTransformer(nn.Module):
    def __init__(self, config):
        super().__init__()
        dim, p = config["embed_dim"], config["patch_size"]
        self.cls_token = nn.Parameter(torch.empty(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.empty(1, (config["image_size"] // p) ** 2 + 1, dim))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(config["in_channels"], dim, p, p)})
        self.blocks = nn.ModuleList([Block(dim, config["num_heads"]) for _ in range(config["depth"])])
        self.norm, self.head = nn.LayerNorm(dim, eps=1e-6), nn.Linear(dim, config["num_classes"])

    def forward(self, images):
        x = self.patch_embed["proj"](images).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


def load(files):
    """In eval mode, with the weights of `files`."""
    model = VisionTransformer(files.config).eval()
    with torch.no_grad():
        tensors = files.tensors()
        for name, value in model.state_dict().items():
            value.copy_(torch.from_numpy(tensors[name].copy()))
    return model
