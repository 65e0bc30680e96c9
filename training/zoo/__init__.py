"""The paper's networks: decoders U-Net, UNet++ and DLA on encoders CheXNet, DenseNet-121, Inception-v3 and ResNet-50, frozen or fine-tuned."""
