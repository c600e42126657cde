// A picture that the server draws over the image, as large as the image.

export class Overlay {
  private image: HTMLImageElement | null = null;
  private url = "";

  constructor(private readonly redraw: () => void) {}

  /** Show what is at an address; nothing where it is empty. */
  show(url: string): void {
    if (url === this.url) return;
    this.url = url;
    this.image = url ? Object.assign(new Image(), { src: url, onload: this.redraw }) : null;
    this.redraw();
  }

  draw(context: CanvasRenderingContext2D): void {
    if (!this.image?.complete || this.image.naturalWidth === 0) return;
    context.imageSmoothingEnabled = false;
    context.drawImage(this.image, 0, 0);
  }
}
